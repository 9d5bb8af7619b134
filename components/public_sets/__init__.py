"""Public data sets by name: text by sacrebleu, speech from the Hugging Face hub, others by hand."""
