"""The layouts of Human3.6M's 3D files; a new one is one more `recording.FileLayout`."""

from wsgcn.captures.human36m.cdf import CDF
from wsgcn.captures.human36m.cdf_archives import CDF_ARCHIVES
from wsgcn.captures.human36m.martinez import MARTINEZ
from wsgcn.captures.human36m.martinez_zip import MARTINEZ_ZIP
from wsgcn.captures.human36m.mat import MAT
from wsgcn.captures.human36m.videopose3d import VIDEOPOSE3D

LAYOUTS = (CDF_ARCHIVES, CDF, MAT, MARTINEZ_ZIP, MARTINEZ, VIDEOPOSE3D)
