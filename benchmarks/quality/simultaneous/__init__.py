"""Local agreement against AlignAtt on spoken captions and on people."""
