"""The live picture of a function, an application, or everything an executor does."""
