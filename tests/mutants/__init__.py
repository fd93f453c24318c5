"""Random mutants of the function and the command line, each run against the tests that cover it: `make mutants`."""
