"""The command line: parse, call one function, render. The only user of typer and rich."""
