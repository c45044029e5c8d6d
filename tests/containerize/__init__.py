"""Tests of CAPTURE → IMAGE."""
