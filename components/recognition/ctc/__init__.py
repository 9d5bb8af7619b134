"""Recognition by connectionist temporal classification (CTC): any model that labels the frames of speech."""
