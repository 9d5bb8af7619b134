"""The house in numbers: how much there is of it, how much a cascade needs of it, how flat its folders are."""
