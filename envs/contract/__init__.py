"""What an environment must hold for a transfer to be measured on it: `examine` checks it."""
