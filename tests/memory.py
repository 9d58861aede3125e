"""How much memory a child process has used at most, for the text of children that tests start."""

# What getrusage says would include the size that the parent had when it forked.
PEAK_BYTES = """
def peak_bytes():
    import re

    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1]) * 1024
"""
