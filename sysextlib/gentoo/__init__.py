"""Values of the Gentoo world: versions, atoms, dependencies, packages."""
