"""What a comparison shows: tables, plots and the verdict."""
