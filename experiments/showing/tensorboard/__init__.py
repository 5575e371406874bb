"""What TensorBoard shows beside the trials' own curves."""
