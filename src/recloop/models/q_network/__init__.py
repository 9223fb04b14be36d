"""The parts of a Q network: contract, loss, embedding rows, the network in numpy."""
