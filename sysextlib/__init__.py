"""Build Flatcar's OS-dependent system extensions; see ARCHITECTURE.md for the map."""
