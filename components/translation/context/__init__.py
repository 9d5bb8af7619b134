"""What a translator is told beside the text: context, terms, domain, examples."""
