"""The Responses protocol: what is sent, and how what comes back is put together."""
