"""LoRA adapters: PEFT folders that are read, checked against their base and merged into it."""
