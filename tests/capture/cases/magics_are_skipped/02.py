this is not ( python
