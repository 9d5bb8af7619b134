"""What running costs beside the models: following, start-up, memory."""
