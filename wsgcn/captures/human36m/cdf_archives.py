"""The official archives, one a subject: Poses_D3_Positions_S1.tgz, which hold the tree of cdf.py."""

from wsgcn.captures.human36m.cdf import TAKE_FILES
from wsgcn.captures.human36m.take_files import Archives
from wsgcn.containers.archives import iter_tar

CDF_ARCHIVES = Archives(
    name="cdf_archives",
    files="Poses_D3_Positions_S*.tgz",
    endings=(".tgz", ".tar.gz", ".tar"),
    take_files=TAKE_FILES,
    read_members=iter_tar,
)
