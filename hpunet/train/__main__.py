"""`python -m hpunet.train`. A file of its own: reading processes would import the command."""

from hpunet import command, train

if __name__ == "__main__":
    command.run(train.main)
