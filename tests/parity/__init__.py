"""Every comparison with the reference's values, for the tests and for the parity report."""
