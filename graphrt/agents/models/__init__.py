"""The machines behind the model interface, a package each; import the one you use."""
