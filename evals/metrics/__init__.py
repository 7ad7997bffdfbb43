"""Measures, each as published where it is published."""
