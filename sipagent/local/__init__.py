"""The keyless default: the providers' protocols on loopback, in child processes, with local engines behind them."""
