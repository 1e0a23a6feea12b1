"""What `import streamcli` offers, over the engine that the commands stand on too."""
