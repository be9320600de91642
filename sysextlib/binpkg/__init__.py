"""Binary packages: gpkg, xpak, the Packages index, binhosts, the VDB."""
