"""Martinez et al.'s h36m.zip, which holds the tree of martinez.py in a folder h36m."""

from wsgcn.readers.archives import iter_zip
from wsgcn.readers.h36m.martinez import TAKE_FILES
from wsgcn.readers.h36m.take_files import Archives

MARTINEZ_ZIP = Archives(
    name="martinez_zip", files="h36m.zip", endings=(".zip",), take_files=TAKE_FILES, read_members=iter_zip
)
