"""The machines behind the model interface, one module each; import the one you use."""
