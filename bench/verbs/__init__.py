"""What the one command does beyond the modules that it calls: pages of help, lists, a look at data, a method's first files,
words for a shell. Nothing that trains, and no module that another verb is for."""
