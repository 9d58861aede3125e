import shutil

import pytest

from tests.rendering.capture import write_predictions

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="session")
def predictions_path(tmp_path_factory):
    """predictions.h5, detections.h5 beside it: S9 and S11, Eating and Walking, 4 cameras, 20 frames, 50 mm off."""
    return write_predictions(tmp_path_factory.mktemp("capture"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium, which finds nothing on the network."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not on PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "host-resolver-rules=MAP * ~NOTFOUND",
        "window-size=1200,760",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()
