"""One file per program or library that recognizes speech; `components.recognition.factory` has the table of them."""
