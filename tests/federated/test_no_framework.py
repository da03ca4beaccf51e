import subprocess
import sys


def test_reading_by_user_imports_no_framework(folder):
  program = (
    'import sys\n'
    'from flair_tfds import federated\n'
    'clients = federated.load_folder(sys.argv[1], "train")\n'
    'clients["u9"].images()\n'
    'names = "tensorflow", "tensorflow_datasets", "keras", "torch", "jax"\n'
    'print([name for name in names if name in sys.modules])\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', program, str(folder)],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == '[]\n'
