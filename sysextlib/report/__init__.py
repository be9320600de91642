"""What a build tells its readers."""
