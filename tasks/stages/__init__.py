"""One Prefect task per stage that loads data, judges finished texts or shows them: metrics, comparison, attribution, report."""
