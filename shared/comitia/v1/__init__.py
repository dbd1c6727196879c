"""The contracts as Python classes, generated from proto/comitia/v1 by `make proto`: never edited by hand."""
