"""The HTML report: templates and plots."""
