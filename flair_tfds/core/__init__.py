"""What every room uses: errors, files and progress bars. No TensorFlow."""
