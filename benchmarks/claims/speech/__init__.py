"""Speech made for the experiments, and the models that read it beside the text."""
