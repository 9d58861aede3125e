"""Martinez et al.'s h36m.zip, which holds the tree of martinez.py in a folder h36m."""

from wsgcn.captures.human36m.martinez import TAKE_FILES
from wsgcn.captures.human36m.take_files import Archives
from wsgcn.containers.archives import iter_zip

MARTINEZ_ZIP = Archives(
    name="martinez_zip", files="h36m.zip", endings=(".zip",), take_files=TAKE_FILES, read_members=iter_zip
)
