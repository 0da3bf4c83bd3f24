"""`python -m hpunet.train`. Processes that read data would import any other file it began in."""

from hpunet import command, train

if __name__ == "__main__":
    command.run(train.main)
