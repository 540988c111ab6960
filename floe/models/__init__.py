"""Models of the catalog, and their way onto this device."""
