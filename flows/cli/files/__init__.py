"""Commands that read or write people's files: transcribe, translate, export, edit."""
