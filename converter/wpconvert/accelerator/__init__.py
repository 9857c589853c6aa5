"""Layers on accelerators whose weights are sums of few signed digits (MSD, FCCM 2023): tiles, times, digits a layer."""
