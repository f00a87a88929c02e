"""The bundled endpoints and the libraries they are made of; nothing here knows the harness."""
