import sys
from pathlib import Path

package = Path.cwd() / "heavy_package"
package.mkdir()
(package / "__init__.py").write_text("LIMIT = 1\n")
for name, size in ("weights.bin", 120 << 20), ("words.bin", 16 << 20):
    with (package / name).open("wb") as file:
        file.truncate(size)
sys.path.append(str(Path.cwd()))
