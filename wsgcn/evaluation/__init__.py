"""Errors of predictions on the test subjects, and the published figures beside them."""
