"""Log directories of every format version there has been, kept for ever."""
