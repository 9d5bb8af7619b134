"""One Prefect task per stage that loads data, scores finished texts, compares runs or writes the report."""
