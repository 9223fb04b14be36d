"""Parameters of every method chosen with the same number of trials, and the best ones measured."""
