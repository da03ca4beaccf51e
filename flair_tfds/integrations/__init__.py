"""What connects the data to other things: pictures, plots, frameworks."""
