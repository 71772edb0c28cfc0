"""Many runs of one function: settings × seeds, on one machine or on many, each finished one a line of a file.

joblib does the work, with its own engine or with Dask's or Ray's; here is what is asked, kept and said.
"""
