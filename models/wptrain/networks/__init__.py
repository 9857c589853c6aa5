"""Network definitions, one file per network.

A network takes float32 [batch, channels, height, width] and returns logits [batch, classes]. Attribute names
matter: `export` turns them into tensor names, so that `block2.pointwise.conv` becomes
`block2/pointwise/conv/weight`. Class names must not contain an underscore, because litert-torch joins class
and attribute name with one.
"""
