"""Lifted poses as files, one file a format; `formats.write_lifted` chooses by suffix."""
